/**
 * `SluiceStep` as far as it runs without Windows: it compiles in the language of Windows' own compiler, reads what the
 * agent writes, and gives its structures the sizes that Windows has. What it does with Windows is proved under
 * Wine by the same calls in C (`sim/src/scenarios/wine.test.ts`).
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '@sluice/content/testing'
import { commandLineOf } from './command-line.ts'
import { orderText } from './order.ts'
import { compilerWords } from './prepare-command.ts'
import { SOURCE_FOLDER } from './step-program.ts'

const probe = `
using System;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Windows;
static class Probe
{
    static void Main()
    {
        foreach (Type type in new[] { typeof(Native.JobLimits), typeof(Native.JobAccounting), typeof(Native.StartupInfoEx), typeof(Native.ProcessInformation) })
            Console.WriteLine(Marshal.SizeOf(type));
        Order order = Order.Read(Console.In);
        Console.WriteLine(order.CommandLine + "|" + order.Folder + "|" + order.Input + "|" + order.Account + "|" + order.Password);
        Console.WriteLine(Encoding.Unicode.GetString(order.Environment).Replace('\\0', '|'));
        foreach (string word in new[] { "plain", "a b", "a \\"b\\" c", "ends here\\\\", "" }) Console.WriteLine(CommandLine.Quote(word));
        foreach (string text in new[] { "", "go away\\n", "folder eA==\\ngo\\n", "variable QQBC\\u0000\\n" })
            try { Order.Read(new System.IO.StringReader(text)); Console.WriteLine("taken"); }
            catch (Exception) { Console.WriteLine("refused"); }
    }
}`

test('SluiceStep compiles, reads the orders of the agent, and its structures have the sizes of Windows', (t) => {
  if (spawnSync('sh', ['-c', 'command -v mcs && command -v mono']).status !== 0)
    return missing(t, 'mcs or mono is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-step-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'probe.cs'), probe)
  const sources = ['SluiceStep.cs', 'WindowsApi.cs'].map((name) => join(SOURCE_FOLDER, name))
  const program = join(folder, 'probe.exe')
  execFileSync('mcs', ['-langversion:5', '-main:Probe', `-out:${program}`, join(folder, 'probe.cs'), ...sources])
  const input = orderText({
    commandLine: commandLineOf(['C:\\a b.exe', 'ü', 'c d']),
    folder: 'C:\\x',
    environment: { PATH: 'C:\\', A: 'ö' },
    account: 'CORP\\runner',
    password: 'pässword',
    input: 'line',
  })
  const said = execFileSync('mono', [program], { input, encoding: 'utf8', env: { ...process.env, LANG: 'C.UTF-8' } })
  assert.deepEqual(said.split('\n').slice(0, -1), [
    // winnt.h and processthreadsapi.h for 64 bits, as mingw-w64 has them.
    ...['144', '48', '112', '24'],
    '"C:\\a b.exe" ü "c d"|C:\\x|line|CORP\\runner|pässword',
    'A=ö|PATH=C:\\||',
    ...['plain', '"a b"', '"a \\"b\\" c"', '"ends here\\\\"', '""'],
    ...['refused', 'refused', 'refused', 'refused'],
  ])
})

test('on Windows it is compiled once, beside its source, by the compiler of the system', () => {
  assert.deepEqual(compilerWords('C:\\Windows', 'C:\\Sluice\\windows'), [
    'C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\csc.exe',
    ...['/nologo', '/target:exe', '/optimize+', '/out:C:\\Sluice\\windows\\SluiceStep.exe'],
    ...['C:\\Sluice\\windows\\SluiceStep.cs', 'C:\\Sluice\\windows\\WindowsApi.cs'],
  ])
})
