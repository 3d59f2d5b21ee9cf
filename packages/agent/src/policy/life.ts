/**
 * Which life of the agent asks, and the how-manieth question of this device it is. The count is durable before
 * the question goes out, so it never repeats; a copy of the state folder counts on from the same number, and so
 * the site sees that there are two.
 */
import { randomUUID } from 'node:crypto'
import type { Settings } from '../state/settings.ts'

export function createLife(settings: Settings): () => { id: string; question: number } {
  const id = randomUUID()
  return () => {
    const question = Number(settings.get('questions') ?? '0') + 1
    settings.set('questions', String(question))
    return { id, question }
  }
}
