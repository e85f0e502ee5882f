// Many seeds on a few threads: a seed is a world of its own, so that who runs it changes nothing in it.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type RunOptions, type RunResult, run } from './run.ts'

/** Results come as they are done, in any order. */
export async function runAll(
  runs: readonly RunOptions[],
  workers: number,
  done: (result: RunResult) => Promise<void>
): Promise<void> {
  const waiting = [...runs]
  const one = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await done(workers > 1 ? await inWorker(next) : run(next))
      } catch (err) {
        throw new Error(`seed ${next.seed} failed`, { cause: err })
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, one))
}

function inWorker(options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: options })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

if (!isMainThread) parentPort?.postMessage(run(workerData as RunOptions))
