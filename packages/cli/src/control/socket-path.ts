// Where command and node meet: a unix socket in the data folder. Both sides compute the same path.
// The kernel keeps it in a field of 108 bytes (104 on macOS), so a deeply nested data folder gets its
// socket in the runtime folder instead, named by the hash of the folder.

import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** sun_path of macOS is 104 bytes, one of them the ending NUL; Linux has four more. */
export const socketPathBytesMax = 103

export function controlSocketPath(dataFolder: string, runtimeFolder: string): string {
  const inside = join(dataFolder, 'control.sock')
  if (Buffer.byteLength(inside) <= socketPathBytesMax) return inside
  const name = createHash('sha256').update(dataFolder).digest('hex').slice(0, 16)
  return join(runtimeFolder, `${name}.sock`)
}
