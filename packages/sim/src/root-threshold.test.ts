/** Two of three root keys must sign (SEC-38): neither the site nor a device follows one holder alone. */
import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { Metadata, MetadataKind, Signature } from '@tufjs/models'
import { openWorkstation } from './testing/offline-keys.ts'
import { type Bytes, code, HOUR, honest, inWorld } from './testing/trust-world.ts'

test('a device follows two of three holders, and never one', (t) =>
  inWorld(t, async ({ site, device, advance }) => {
    const goesOn = async (what: string) => {
      advance(HOUR)
      assert.equal(code(await device.sync()), 'accepted', what)
      await device.restart()
      assert.equal(code(await device.sync()), 'accepted', `${what}, after a restart`)
    }
    await goesOn('at first')
    const workstation = await openWorkstation(site, dirname(device.folder), { count: 3, threshold: 2 })
    const { roots } = workstation
    assert.equal(await workstation.move(), 'offline')
    assert.equal((await site.catalogue.info()).rootThreshold, 2)
    await goesOn('moved')

    const [one, two, three] = roots
    assert.ok(one && two && three)
    await workstation.replaceRoot(2, [one, two])
    await goesOn('the third key was lost, and replaced by the two others')
    await workstation.replaceRoot(0, [one, two])
    await goesOn('the first was stolen, and signed with the second for its own end')

    // One holder, with a key of his own making: enough for the new root's number, not for the old one's.
    const refused = await workstation.replaceRoot(0, [two]).catch((error: unknown) => error)
    assert.ok(refused instanceof ProblemError, String(refused))
    assert.equal(refused.problem.code, 'RELEASE_REFUSED')

    // A site that is not asked: the device itself looks.
    const { version } = (await workstation.known()).root
    device.missing = (name) => (name === `${version + 1}.root.json` ? signedByOne : undefined)
    const last = (await workstation.known()).root.metadata
    const json = { ...(last.signed.toJSON() as object), version: version + 1 }
    const next = Metadata.fromJSON(MetadataKind.Root, { signed: json, signatures: [] } as never)
    next.sign((bytes) => new Signature({ keyID: two.keyid, sig: Buffer.from(two.sign(bytes)).toString('hex') }))
    const signedByOne: Bytes = Buffer.from(JSON.stringify(next.toJSON()))
    await device.restart()
    assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
    device.missing = () => undefined
    device.relay = honest
    await goesOn('as before')
  }))
