/** Routes about administration itself: who may do what, and who did. */
import { z } from 'zod'
import { Envelope } from '../dsse.ts'
import {
  Account,
  AdministratorChange,
  AdministratorInfo,
  AdministratorInvite,
  Invitation,
  PasskeyAdd,
  PasskeyInfo,
  PasskeyQuestion,
  PasswordChange,
  RecoveryCodes,
  TotpConfirm,
  TotpStart,
} from './administrator.ts'
import { ApiTokenCreate, ApiTokenInfo, ApiTokenMade, Me } from './api-token.ts'
import { AuditPage, AuditQuery } from './audit.ts'
import { type AdminRoute, none, plain } from './route.ts'

export const administrationRoutes = {
  /** Who is calling, and what he may. */
  me: { method: 'GET', path: '/admin/v1/me', ...plain, answer: Me },
  /** Newest first, at most 1,000. */
  apiTokens: { method: 'GET', path: '/admin/v1/api-tokens', ...plain, answer: z.array(ApiTokenInfo) },
  createApiToken: {
    method: 'POST',
    path: '/admin/v1/api-tokens',
    ...plain,
    body: ApiTokenCreate,
    answer: ApiTokenMade,
  },
  revokeApiToken: {
    method: 'POST',
    path: '/admin/v1/api-tokens/:id/revoke',
    ...plain,
    body: none,
    answer: ApiTokenInfo,
  },
  administrators: { method: 'GET', path: '/admin/v1/administrators', ...plain, answer: z.array(AdministratorInfo) },
  inviteAdministrator: {
    method: 'POST',
    path: '/admin/v1/administrators',
    ...plain,
    body: AdministratorInvite,
    answer: Invitation,
  },
  changeAdministrator: {
    method: 'PATCH',
    path: '/admin/v1/administrators/:id',
    ...plain,
    body: AdministratorChange,
    answer: AdministratorInfo,
  },
  /** Takes password, second factors and sessions away and invites anew: for who lost them. */
  resetAdministrator: {
    method: 'POST',
    path: '/admin/v1/administrators/:id/reset',
    ...plain,
    body: none,
    answer: Invitation,
  },
  account: { method: 'GET', path: '/admin/v1/account', ...plain, answer: Account },
  /** Ends all other sessions. */
  changePassword: {
    method: 'POST',
    path: '/admin/v1/account/password',
    ...plain,
    body: PasswordChange,
    answer: Account,
  },
  startTotp: { method: 'POST', path: '/admin/v1/account/totp', ...plain, body: none, answer: TotpStart },
  confirmTotp: {
    method: 'POST',
    path: '/admin/v1/account/totp/confirm',
    ...plain,
    body: TotpConfirm,
    answer: RecoveryCodes,
  },
  passkeyQuestion: {
    method: 'POST',
    path: '/admin/v1/account/passkey-question',
    ...plain,
    body: none,
    answer: PasskeyQuestion,
  },
  addPasskey: { method: 'POST', path: '/admin/v1/account/passkeys', ...plain, body: PasskeyAdd, answer: PasskeyInfo },
  removePasskey: { method: 'DELETE', path: '/admin/v1/account/passkeys/:id', ...plain, answer: none },
  endSession: { method: 'DELETE', path: '/admin/v1/account/sessions/:id', ...plain, answer: none },
  /** `?after=<seq>`: the entries that follow, oldest first, at most 1,000. */
  audit: { method: 'GET', path: '/admin/v1/audit', ...plain, query: AuditQuery, answer: AuditPage },
  /** Signed now. */
  auditHead: { method: 'GET', path: '/admin/v1/audit-head', ...plain, answer: z.object({ head: Envelope }) },
} as const satisfies Record<string, AdminRoute>
