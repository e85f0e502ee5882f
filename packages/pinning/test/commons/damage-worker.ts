// Runs in a worker with a small heap: a record that made a decoder allocate would end it.

import { workerData } from 'node:worker_threads'
import { damageAtRandom, doorsOf } from './doors.ts'
import { Town } from './town.ts'

const town = new Town(1)
const [a] = await town.pool(1)
if (a === undefined) throw new Error('no node')
await a.pin(1)
damageAtRandom(doorsOf(a), Number(workerData))
await town.close()
