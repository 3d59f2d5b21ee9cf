/**
 * Roles of administrators: the original's security roles, as far as there is something here for them
 * to do, each a list of permissions. What a route asks for stands in `access.ts`.
 */
import { z } from 'zod'

export const permissions = [
  /** What is one's own: password, second factor, sessions. Everybody who is signed in has it. */
  'own',
  'site.read',
  'settings.read',
  'settings.modify',
  'package.read',
  'package.modify',
  'package.distribute',
  'sequence.read',
  'sequence.modify',
  'collection.read',
  'collection.modify',
  'deployment.read',
  'deployment.modify',
  /** Agree to a deployment that somebody else made. */
  'deployment.approve',
  /** End runs, have devices ask for policy. */
  'device.control',
  /** Debug runs: read and set their variables, read their log, run steps one by one and again. */
  'device.debug',
  'device.read',
  /** Approve, revoke and forget devices; tokens with which they enrol. */
  'device.admit',
  'gateway.read',
  'gateway.modify',
  /** Names of secrets, and when they were revealed. Nobody reads values. */
  'secret.read',
  'secret.modify',
  'status.read',
  /** Hand over what a release key signed; new keys for the site. */
  'release.publish',
  'administrator.read',
  'administrator.modify',
  'audit.read',
] as const
export type Permission = (typeof permissions)[number]

const readings: readonly Permission[] = [
  'own',
  'site.read',
  'settings.read',
  'package.read',
  'sequence.read',
  'collection.read',
  'deployment.read',
  'device.read',
  'gateway.read',
  'status.read',
]

/** Titles are the original's. */
export const roles = {
  fullAdministrator: { title: 'Full Administrator', permissions },
  operationsAdministrator: {
    title: 'Operations Administrator',
    permissions: permissions.filter((one) => one !== 'administrator.modify'),
  },
  infrastructureAdministrator: {
    title: 'Infrastructure Administrator',
    permissions: [...readings, 'settings.modify', 'gateway.modify', 'package.distribute'],
  },
  osDeploymentManager: {
    title: 'Operating System Deployment Manager',
    permissions: [
      ...readings,
      ...(['package.modify', 'package.distribute', 'sequence.modify', 'collection.modify'] as const),
      ...(['deployment.modify', 'deployment.approve', 'device.control', 'device.debug'] as const),
      ...(['secret.read', 'secret.modify'] as const),
    ],
  },
  applicationAdministrator: {
    title: 'Application Administrator',
    permissions: [...readings, 'package.modify', 'package.distribute', 'collection.modify', 'deployment.modify'],
  },
  applicationDeploymentManager: {
    title: 'Application Deployment Manager',
    permissions: [...readings, 'package.distribute', 'deployment.modify'],
  },
  securityAdministrator: {
    title: 'Security Administrator',
    permissions: [
      ...readings,
      'deployment.approve',
      'device.admit',
      'secret.read',
      'secret.modify',
      'administrator.read',
      'administrator.modify',
      'audit.read',
    ],
  },
  remoteToolsOperator: { title: 'Remote Tools Operator', permissions: [...readings, 'device.control'] },
  readOnlyAnalyst: {
    title: 'Read-only Analyst',
    permissions: [...readings, 'secret.read', 'administrator.read', 'audit.read'],
  },
} as const satisfies Record<string, { title: string; permissions: readonly Permission[] }>

export type RoleName = keyof typeof roles
export const RoleName = z.enum(Object.keys(roles) as [RoleName, ...RoleName[]])

/** All that these roles allow together. */
export const permissionsOf = (names: readonly RoleName[]): ReadonlySet<Permission> =>
  new Set(names.flatMap((name): readonly Permission[] => roles[name].permissions))
