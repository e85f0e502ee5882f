// Conditional requests on content that never changes. Pure; RFC 9110 section 13.

/** Whether If-None-Match names this strong tag: weak comparison over a list, or `*` (§13.1.2). */
export function ifNoneMatchHolds(header: string | undefined, etag: string): boolean {
  return header !== undefined && listNames(header, etag, true)
}

/** Whether If-Match fails: strong comparison (§13.1.1). The object exists, so `*` always matches. */
export function ifMatchFails(header: string | undefined, etag: string): boolean {
  return header !== undefined && !listNames(header, etag, false)
}

function listNames(header: string, etag: string, weak: boolean): boolean {
  const text = header.trim()
  if (text === '*' || text === etag) return true
  // Our tags are base32 CIDs in quotes: no comma or quote inside, so splitting at commas finds them all.
  for (const part of text.split(',')) {
    const tag = part.trim()
    if (tag === etag || (weak && tag.startsWith('W/') && tag.slice(2) === etag)) return true
  }
  return false
}
