// The vectors of unixfs-v1-2025.json. The content of each is that of vector-bytes.ts.

import { readFile } from 'node:fs/promises'

interface FileVector {
  readonly size: number
  readonly cid: string
  /** Plain sha2-256 of the file, in hex. */
  readonly sha256: string
}

const text = await readFile(new URL('unixfs-v1-2025.json', import.meta.url), 'utf8')
export const fileVectors: readonly FileVector[] = (JSON.parse(text) as { vectors: FileVector[] }).vectors
