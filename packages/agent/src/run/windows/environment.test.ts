import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemEnvironment } from './environment.ts'

test('a step finds its system, and nothing that the agent was started with', () => {
  const environment = systemEnvironment({
    SystemRoot: 'D:\\Win',
    Path: 'C:\\anybody',
    PROGRAMFILES: 'D:\\Programs',
    TEMP: 'C:\\Users\\somebody\\Temp',
    NODE_OPTIONS: '--inspect',
  })
  assert.equal(
    environment.PATH,
    'D:\\Win\\System32;D:\\Win;D:\\Win\\System32\\Wbem;D:\\Win\\System32\\WindowsPowerShell\\v1.0',
  )
  assert.equal(environment.ComSpec, 'D:\\Win\\System32\\cmd.exe')
  assert.equal(environment.TEMP, 'D:\\Win\\Temp')
  assert.equal(environment.ProgramFiles, 'D:\\Programs')
  assert.deepEqual(
    Object.keys(environment).filter((name) => /^(path|node_options)$/i.test(name)),
    ['PATH'],
  )
})
