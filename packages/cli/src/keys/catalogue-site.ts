import type { Site } from '../connect/site.ts'

/** Of the site, what signing needs: the routes of its catalogue. */
export type CatalogueSite = Pick<Site, 'call'>
