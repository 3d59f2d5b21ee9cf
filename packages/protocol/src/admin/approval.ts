/** The second person: deployments to many devices need somebody else's word. */
import { z } from 'zod'
import { Sha256 } from '../ids.ts'
import { type AdminRoute, plain } from './route.ts'

const AboveDevices = z.int().min(0).max(1_000_000).nullable()

export const ApprovalRule = z.object({
  /** Deployments to more devices than this need it; null: none does. */
  aboveDevices: AboveDevices,
  /** A looser rule that somebody asked for; it counts when another administrator asks for the same. */
  proposed: z.object({ aboveDevices: AboveDevices, by: z.string() }).optional(),
})
export type ApprovalRule = z.infer<typeof ApprovalRule>

export const ApprovalRuleChange = z.strictObject({ aboveDevices: AboveDevices })

/** How a deployment stands by the rule; absent where the rule does not concern it. */
export const DeploymentApproval = z.object({
  state: z.enum(['waitingForApproval', 'approved']),
  /** Members of the collection now. */
  devices: z.int().nonnegative(),
  /** SHA-256 over what would run: settings, sequence and packages. An approval names it. */
  digest: Sha256,
  author: z.string().optional(),
  approvedBy: z.string().optional(),
})
export type DeploymentApproval = z.infer<typeof DeploymentApproval>

export const DeploymentApprove = z.strictObject({ digest: Sha256 })

export const approvalRoutes = {
  approvalRule: { method: 'GET', path: '/admin/v1/approval-rule', ...plain, answer: ApprovalRule },
  setApprovalRule: {
    method: 'PUT',
    path: '/admin/v1/approval-rule',
    ...plain,
    body: ApprovalRuleChange,
    answer: ApprovalRule,
  },
} as const satisfies Record<string, AdminRoute>
