// What the key commands say when there are no keys to speak of.

import { NotFoundError } from '@commonhold/core/errors'

export function withoutKeys(dataFolder: string): NotFoundError {
  return new NotFoundError(`There are no keys in ${dataFolder} yet. Make them with: commonhold init`)
}
