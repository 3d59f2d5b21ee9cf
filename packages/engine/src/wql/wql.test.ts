import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerWql, type FactRow, parseWql } from './index.ts'
import { isLike, readLikePattern } from './like.ts'

const disk: FactRow = { DeviceID: '/', FileSystem: 'ext4', DriveType: 3, Size: 2 ** 40, FreeSpace: 5_000_000_000 }
const share: FactRow = { DeviceID: "/mnt/o'neill", FileSystem: null, DriveType: 4 }
const card: FactRow = { Name: 'eth0', PhysicalAdapter: true, NetConnectionStatus: 2 }
const facts = { Win32_LogicalDisk: [disk, share], Win32_NetworkAdapter: [card], Win32_Battery: [] }

/** How many rows a query finds, or why it fails. */
function found(text: string): number | string {
  const reading = parseWql(text)
  assert.ok(reading.ok, `${text}: ${reading.ok || reading.message}`)
  const answer = answerWql(reading.query, facts)
  return answer.ok ? answer.rows.length : answer.why
}
const disks = (where: string): number | string => found(`SELECT * FROM Win32_LogicalDisk WHERE ${where}`)

test('comparisons, on either side, with upper and lower case the same', () => {
  assert.equal(found('select deviceid, drivetype from win32_logicaldisk'), 2)
  assert.equal(found('SELECT * FROM Win32_Battery'), 0)
  assert.equal(disks('DriveType = 3'), 1)
  assert.equal(disks('DriveType=0x3'), 1)
  assert.equal(disks('DriveType != 3'), 1)
  assert.equal(disks('DriveType <> -3'), 2)
  assert.equal(disks('3 < DriveType'), 1)
  assert.equal(disks('DriveType >= "3"'), 2)
  assert.equal(disks("FileSystem = 'EXT4'"), 1)
  assert.equal(disks('DeviceID = "/mnt/o\'neill"'), 1)
  assert.equal(disks("DeviceID = '/mnt/o\\'neill'"), 1)
})

test('texts compare as texts, numbers as numbers, and a text stands for TRUE where that is meant', () => {
  assert.equal(disks('Size > 999'), 1)
  assert.equal(disks("DeviceID < '1'"), 2)
  const adapters = (where: string) => found(`SELECT * FROM Win32_NetworkAdapter WHERE ${where}`)
  assert.equal(adapters("NetConnectionStatus = 2 and PhysicalAdapter = 'True' and Name = 'eth0'"), 1)
  assert.equal(adapters('PhysicalAdapter = TRUE'), 1)
  assert.equal(adapters('PhysicalAdapter = FALSE'), 0)
  assert.equal(adapters('PhysicalAdapter = "perhaps"'), 0)
})

test('AND binds more than OR, NOT more than AND; brackets say otherwise', () => {
  assert.equal(disks('DriveType = 3 OR DriveType = 4 AND DriveType = 5'), 1)
  assert.equal(disks('(DriveType = 3 OR DriveType = 4) AND DriveType = 5'), 0)
  assert.equal(disks('NOT DriveType = 3 AND DriveType = 4'), 1)
  assert.equal(disks('NOT (DriveType = 3 OR DriveType = 4)'), 0)
})

test('null compares with nothing, and NOT does not change that', () => {
  assert.equal(disks("FileSystem <> 'ntfs'"), 1)
  assert.equal(disks("NOT FileSystem = 'ntfs'"), 1)
  assert.equal(disks('FileSystem IS NULL'), 1)
  assert.equal(disks('FileSystem IS NOT NULL'), 1)
  assert.equal(disks('FileSystem = NULL'), 1)
  assert.equal(disks("FileSystem LIKE '%' OR DriveType = 4"), 2)
})

test('what a device cannot tell makes a query fail, but only where the answer hangs on it', () => {
  assert.equal(disks('Size > 0 AND DriveType = 3'), 1)
  assert.equal(disks('Size < 0'), 'this device cannot tell Size of Win32_LogicalDisk')
  assert.equal(disks('NOT Size >= 0'), 'this device cannot tell Size of Win32_LogicalDisk')
  assert.equal(disks('DriveType = 5 AND Size < 0'), 0)
  assert.equal(found('SELECT * FROM Win32_BIOS'), 'this device cannot tell about Win32_BIOS')
})

test('LIKE: %, _, sets, ranges and their opposite', () => {
  const table: [text: string, pattern: string, fits: boolean][] = [
    ['Latitude E7270', '%latitude e7270%', true],
    ['10.0.17763', '10.0.[1-9][0-9][0-9][0-9][0-9]', true],
    ['10.0.9200', '10.0.[1-9][0-9][0-9][0-9][0-9]', false],
    ['cat', 'c_t', true],
    ['ct', 'c_t', false],
    ['bat', '[^c]at', true],
    ['cat', '[^c]at', false],
    ['100%', '100[%]', true],
    ['100x', '100[%]', false],
    ['a_b', 'a[_]b', true],
    ['a-b', 'a[x-]b', true],
    [']', '[]]', true],
    ['', '%', true],
    ['', '', true],
    ['a', '', false],
  ]
  for (const [text, wanted, fits] of table) {
    const pattern = readLikePattern(wanted)
    assert.ok(!('fault' in pattern))
    assert.equal(isLike(text, pattern), fits, `${text} like ${wanted}`)
  }
  const slow = readLikePattern('%a'.repeat(2_000))
  assert.ok(!('fault' in slow))
  assert.ok(!isLike('b'.repeat(4_000), slow))
})

test('a text that is no query is told with its place', () => {
  const fault = (text: string): string => {
    const reading = parseWql(text)
    return reading.ok ? 'none' : `${reading.at}: ${reading.message}`
  }
  assert.equal(fault(''), '0: expected SELECT')
  assert.equal(fault('SELECT * FROM'), '13: expected the name of a class')
  assert.equal(fault('SELECT * FROM A WHERE B'), '23: expected one of = <> != < <= > >= LIKE IS')
  assert.equal(fault('SELECT * FROM A WHERE B = C'), '26: expected a text in quotes, a number, TRUE, FALSE or NULL')
  assert.equal(fault("SELECT * FROM A WHERE B = 'x"), '26: the text in quotes does not end')
  assert.equal(fault("SELECT * FROM A WHERE B LIKE '[a'"), '29: a set in the pattern has no "]"')
  assert.equal(fault('SELECT * FROM A WHERE (B = 1'), '28: expected AND, OR or ")"')
  assert.equal(fault('SELECT * FROM A; DROP'), '15: ";" has no meaning here')
  assert.equal(fault('SELECT * FROM A ORDER'), '16: "ORDER" is not expected here')
  assert.equal(fault('ASSOCIATORS OF {X}'), '15: "{" has no meaning here')
  assert.equal(fault(`SELECT * FROM A WHERE ${'('.repeat(5_000)}`), '122: nested deeper than 100')
  assert.equal(fault(`SELECT * FROM A WHERE ${'NOT '.repeat(4_000)}B = 1`), '422: nested deeper than 100')
  assert.equal(fault(' '.repeat(20_000)), '16384: longer than 16384 characters')
})
