/** Builds the page into `dist/`; resolves with the folder. */
export function buildPage(): Promise<string>
