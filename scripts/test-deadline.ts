// Loaded into every test process by scripts/test.ts. node:test bounds a test but not its file: one handle left
// open would keep the whole run waiting for ever. This ends such a file as a failure that names what it waits for.

import { parentPort } from 'node:worker_threads'

const deadlineMs = Number(process.env['TEST_FILE_DEADLINE_MS'])

// Not in the runner itself, nor in the worker threads of a test.
if (process.env['NODE_TEST_CONTEXT'] !== undefined && parentPort === null && deadlineMs > 0) {
  const timer = setTimeout(() => {
    const waiting = [...new Set(process.getActiveResourcesInfo())]
      .filter((name) => name !== 'Timeout')
      .join(', ')
    console.error(
      `${process.argv[1]} did not end within ${deadlineMs} ms; still open: ${waiting || 'timers'}`
    )
    process.exit(1)
  }, deadlineMs)
  // It must not be what keeps a file open.
  timer.unref()
}
