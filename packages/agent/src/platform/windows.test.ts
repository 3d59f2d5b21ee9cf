import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firmwareValue } from './windows.ts'

test('make and model are what the registry says of the firmware', () => {
  const text =
    '\r\nHKEY_LOCAL_MACHINE\\HARDWARE\\DESCRIPTION\\System\\BIOS\r\n    SystemManufacturer    REG_SZ    Contoso Ltd.\r\n' +
    '    BiosMajorRelease    REG_DWORD    0x1\r\n    SystemProductName    REG_SZ    Lodestar 14 (G2)\r\n\r\n'
  assert.equal(firmwareValue(text, 'SystemManufacturer'), 'Contoso Ltd.')
  assert.equal(firmwareValue(text, 'SystemProductName'), 'Lodestar 14 (G2)')
  assert.equal(firmwareValue(text, 'BiosMajorRelease'), '')
  assert.equal(firmwareValue('', 'SystemProductName'), '')
})
