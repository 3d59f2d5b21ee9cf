/** Where the reader is, kept in the fragment: reload and the back button work, the server sees nothing of it. */
import { DeploymentId } from '@sluice/protocol'
import { useSyncExternalStore } from 'react'

export const sections = ['operatingSystems', 'installationStatus', 'options'] as const
export type Section = (typeof sections)[number]

export type Route =
  | { view: 'section'; section: Section }
  | { view: 'item'; section: 'operatingSystems' | 'installationStatus'; deploymentId: DeploymentId }

const slugs: Record<Section, string> = {
  operatingSystems: 'operating-systems',
  installationStatus: 'installation-status',
  options: 'options',
}

/** The fragment of a route, for `href`. */
export function routeHref(route: Route): string {
  const section = `#/${slugs[route.section]}`
  return route.view === 'item' ? `${section}/${route.deploymentId}` : section
}

/** Reads a fragment; anything unknown is the first section. */
export function parseRoute(hash: string): Route {
  const [slug, id] = hash.replace(/^#\//, '').split('/')
  const section = sections.find((name) => slugs[name] === slug) ?? 'operatingSystems'
  const deploymentId = DeploymentId.safeParse(id)
  if (deploymentId.success && section !== 'options') return { view: 'item', section, deploymentId: deploymentId.data }
  return { view: 'section', section }
}

function onHashChange(changed: () => void): () => void {
  window.addEventListener('hashchange', changed)
  return () => window.removeEventListener('hashchange', changed)
}

/** The present route. */
export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(onHashChange, () => window.location.hash))
}
