type Manifest = Record<string, unknown>
/** The package.json of a release from the repository at `address`. */
export function stamped(manifest: Manifest, address: string): Manifest
/** The text of a page, its relative links made absolute. */
export function linked(text: string, address: string, version: string): string
