/** Steps of the menus *Disks* and *Images*: BitLocker, and the upgrade of the operating system. */
import { z } from 'zod'
import { SecretName } from '../secret.ts'
import { acting } from './fields.ts'
import { PackageChoice } from './package-choice.ts'

const Drive = z.string().regex(/^[A-Z]:$/, 'a drive letter such as C:')

/** Disks > Disable BitLocker: suspends its protectors. Windows only. */
export const DisableBitLockerStep = z.strictObject({
  type: z.literal('disableBitLocker'),
  ...acting,
  /** Absent: that of the operating system. */
  drive: Drive.optional(),
  /** Restarts until protection resumes; default 1. */
  rebootCount: z.int().min(0).max(15).optional(),
})

/** Disks > Enable BitLocker. Windows only. */
export const EnableBitLockerStep = z.strictObject({
  type: z.literal('enableBitLocker'),
  ...acting,
  drive: Drive.optional(),
  /** `tpm` (the default), or the TPM with a PIN, which is a secret. */
  mode: z.enum(['tpm', 'tpmAndPin']).optional(),
  pin: SecretName.optional(),
  /** A recovery password is made and kept in Active Directory; default yes. */
  recoveryPassword: z.boolean().optional(),
  /** The whole disk and not only what is used. */
  fullDisk: z.boolean().optional(),
  waitForEncryption: z.boolean().optional(),
  /** Absent: what the device uses by itself. */
  encryption: z.enum(['aes128', 'aes256', 'xtsAes128', 'xtsAes256']).optional(),
  /** A computer without a TPM that is ready is passed over. */
  skipWithoutTpm: z.boolean().optional(),
})

/** Images > Upgrade Operating System (configmgr-behaviour §4.4). */
export const UpgradeOperatingSystemStep = z.strictObject({
  type: z.literal('upgradeOperatingSystem'),
  ...acting,
  package: PackageChoice.optional(),
  /** Instead of a package: a folder that an earlier step downloaded, as in `%Upgrade01%`. */
  sourcePath: z.string().max(4000).optional(),
  /** Folder with driver content, as in `%Drivers01%`. */
  driverPath: z.string().max(4000).optional(),
  /** Only check whether the upgrade would work. */
  scanOnly: z.boolean().optional(),
})
