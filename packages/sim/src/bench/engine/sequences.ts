/** The sequences that the engine is measured with. */
import { PackageId, SEQUENCE_FORMAT, Sequence, type SequenceNode } from '@sluice/protocol'

const sequenceOf = (steps: SequenceNode[]): Sequence =>
  Sequence.parse({ format: SEQUENCE_FORMAT, name: 'Bench', steps })

/** Commands, variables, conditions and groups, as many instructions as asked for. */
export function longSequence(instructions: number): Sequence {
  const group = (number: number): SequenceNode => ({
    ...{ type: 'group', name: `Group ${number}` },
    steps: [
      { type: 'setVariable', name: 'Set', variable: `Value${number % 100}`, value: `%_SMSTSModel% ${number}` },
      { type: 'runCommandLine', name: 'Run', commandLine: `tool --number %Value${number % 100}%` },
      {
        ...{ type: 'runCommandLine', name: 'Skip', commandLine: 'never' },
        condition: { variable: `Value${number % 100}`, operator: 'notExists' },
      },
    ],
  })
  return sequenceOf(Array.from({ length: Math.ceil(instructions / 5) }, (_, number) => group(number)))
}

/** One step of each kind, the most demanding way: content, a command, a condition. */
export const oneOfEach = (): SequenceNode[] => [
  { type: 'setVariable', name: 'Set', variable: 'A', value: '1' },
  { type: 'downloadPackageContent', name: 'Download', packages: [PackageId.parse('ABC00001')], saveAs: 'P' },
  { type: 'runCommandLine', name: 'Command', commandLine: 'a', package: PackageId.parse('ABC00001') },
  { type: 'upgradeOperatingSystem', name: 'Upgrade', package: PackageId.parse('ABC00001'), scanOnly: true },
]
export const alone = (step: SequenceNode): Sequence => sequenceOf([step])

/** XML as the console writes it, with at least so many characters. */
export function largeXml(length: number): string {
  const step = (number: number) =>
    `<group name="Group ${number}" description="Part ${number}"><condition><operator type="and"><expression type="SMS_TaskSequence_VariableConditionExpression"><variable name="Operator">equals</variable><variable name="Value">TRUE</variable><variable name="Variable">Phase${number}</variable></expression><expression type="SMS_TaskSequence_WMIConditionExpression"><variable name="Namespace">root\\cimv2</variable><variable name="Query">SELECT * FROM Win32_ComputerSystem WHERE Model LIKE "%Model ${number}%"</variable></expression></operator></condition><step type="SMS_TaskSequence_SetVariableAction" name="Set ${number}" description="" runIn="WinPEandFullOS" successCodeList="0" retryCount="0" runFromNet="false"><action>tsenv.exe "Value${number}=${number}" /hiddenflag:False</action><defaultVarList><variable name="DoNotShowVariableValue" property="DoNotShowVariableValue" hidden="true">false</variable><variable name="VariableName" property="VariableName" hidden="true">Value${number}</variable><variable name="VariableValue" property="VariableValue" hidden="true">${number}</variable></defaultVarList></step><step type="SMS_TaskSequence_RunCommandLineAction" name="Run ${number}" description="" continueOnError="true" runIn="WinPEandFullOS" successCodeList="0 3010" retryCount="0" runFromNet="false" timeout="900"><action>smsswd.exe /run:ABC00001 setup.exe /number ${number}</action><defaultVarList><variable name="CommandLine" property="CommandLine" hidden="true">setup.exe /number ${number}</variable><variable name="SMSTSDisableWow64Redirection" property="DisableWow64Redirection">false</variable><variable name="PackageID" property="PackageID" hidden="true">ABC00001</variable><variable name="_SMSTSRunCommandLineAsUser" property="RunAsUser">false</variable><variable name="SuccessCodes" property="SuccessCodes" hidden="true">0 3010</variable></defaultVarList></step></group>`
  let body = ''
  for (let number = 0; body.length < length; number++) body += step(number)
  return `<sequence version="3.10">${body}</sequence>`
}
