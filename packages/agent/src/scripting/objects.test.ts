/**
 * The objects for scripts: compiled and used in a step, by another implementation of .NET than that of Windows.
 * What COM and PowerShell make of them is not run here; the text of the module is checked against itself.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing } from '@sluice/content/testing'
import type { Variables } from '@sluice/engine'
import { createRunners } from '../run/runners.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-objects-'))
after(() => rmSync(folder, { recursive: true }))
const logPath = join(folder, 'smsts.log')
const moduleFolder = fileURLToPath(new URL('../../powershell/SluiceTS', import.meta.url))
const textOf = (name: string) => readFileSync(join(moduleFolder, name), 'utf8')

const variables: Variables = {
  model: { name: 'Model', value: 'Lodestar “14”\r\nsecond line', hidden: false },
  pin: { name: 'Pin', value: 'hunter22', hidden: true },
  _smstsmodel: { name: '_SMSTSModel', value: 'Lodestar 14', hidden: false },
}

const probe = `
using System;
using Sluice.Scripting;
static class Probe
{
    static void Main()
    {
        ITSEnvironment environment = new TSEnvironment();
        Console.WriteLine(string.Join(",", environment.GetVariables()));
        Console.WriteLine(environment["MODEL"] == "Lodestar \\u201c14\\u201d\\r\\nsecond line");
        Console.WriteLine("nothing: [" + environment["Nothing"] + "]");
        environment["Made"] = "one line\\nanother \\u00fc";
        Console.WriteLine(environment["made"].Length);
        environment["Model"] = null;
        new TSEnvironment().Set("Token", "fresh-42", true);
        Console.WriteLine(new TSEnvironment().Show("Pin") + new TSEnvironment().Show("Token"));
        foreach (string name in new[] { "_SMSTSModel", "a b", "" })
            try { environment[name] = "x"; Console.WriteLine("set"); }
            catch (InvalidOperationException refused) { Console.WriteLine(refused.Message); }
        new TSProgressUI().CloseProgressDialog();
    }
}`

test('scripts read and set variables through the object; refusals name them, hidden values stay hidden', async (t) => {
  if (spawnSync('sh', ['-c', 'command -v mcs && command -v mono']).status !== 0)
    return missing(t, 'mcs or mono is not installed')
  writeFileSync(join(folder, 'probe.cs'), probe)
  const program = join(folder, 'probe.exe')
  execFileSync('mcs', [
    '-langversion:5',
    `-out:${program}`,
    join(folder, 'probe.cs'),
    join(moduleFolder, 'SluiceTS.cs'),
  ])
  const runners = createRunners({ folder, bootId: 'boot', pollMs: 20 })
  runners.start('object', {
    v: 1,
    action: {
      kind: 'command',
      argv: ['/bin/sh', '-c', `echo "$PSModulePath"; mono '${program}'`],
      ...{ workingDirectory: undefined, timeoutMs: undefined, hidden: false },
    },
    ...{ osRoot: '/', logPath, workFolder: folder, environment: {}, variables, masked: ['hunter22'] },
  })
  const outcome = await runners.outcome('object', new AbortController().signal)
  assert.ok(outcome.kind === 'exited')
  assert.equal(
    outcome.output,
    [
      join(moduleFolder, '..'),
      '_SMSTSModel,Model,Pin',
      'True',
      'nothing: []',
      '18',
      '****************',
      'The name "_SMSTSModel" may not be set.',
      'The name "a b" may not be set.',
      'The name "" may not be set.',
      '',
    ].join('\n'),
  )
  assert.deepEqual(outcome.changes, [
    { name: 'Made', value: 'one line\nanother ü', hidden: false },
    { name: 'Model', value: '', hidden: false },
    { name: 'Token', value: 'fresh-42', hidden: true },
  ])
  assert.doesNotMatch(readFileSync(logPath, 'utf8'), /fresh-42|hunter22/)
  assert.throws(() => execFileSync('mono', [program], { stdio: 'pipe' }), /There is no task sequence/)
})

test('the manifest of the module names the functions, the variable and the files that are there', () => {
  const manifest = textOf('SluiceTS.psd1')
  const listed = (key: string) =>
    [...(new RegExp(`${key}\\s*=\\s*@\\(([^)]*)\\)`).exec(manifest)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(
      ([, one]) => one,
    )
  const script = textOf('SluiceTS.psm1')
  const functions = [...script.matchAll(/^function (\S+)/gm)].map(([, name]) => name)
  assert.deepEqual(listed('FunctionsToExport'), functions)
  assert.match(script, new RegExp(`Export-ModuleMember -Function ${functions.join(', ')} -Variable TSEnv`))
  assert.deepEqual(listed('VariablesToExport'), ['TSEnv'])
  assert.match(manifest, /RootModule\s*=\s*'SluiceTS\.psm1'/)
  for (const file of listed('FileList')) assert.notEqual(textOf(file ?? ''), '')
  assert.match(manifest, /GUID\s*=\s*'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'/)
})

test('what the module calls is public in the class, and no value stands in the arguments of a process', () => {
  const script = textOf('SluiceTS.psm1')
  const source = textOf('SluiceTS.cs')
  for (const [, member] of script.matchAll(/\$TSEnv\.(\w+)\(/g))
    assert.match(source, member === 'Value' ? /IndexerName\("Value"\)/ : new RegExp(`public \\S+ ${member}\\(`), member)
  assert.equal(
    source.match(/new ProcessStartInfo\(.*\)/)?.[0],
    'new ProcessStartInfo(node, "\\"" + program + "\\" serve")',
  )
})
