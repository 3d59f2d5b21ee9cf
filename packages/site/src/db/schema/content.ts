/** Tables of the area *content*. */
// biome-ignore lint/suspicious/noEmptyInterface: its tables come with the area
export interface ContentTables {}
