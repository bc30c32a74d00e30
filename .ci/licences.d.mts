/** What docs/licences.md shall say. */
export function page(): string
