// The three clocks. The virtual one carries every simulation, so it is held to a model.

import assert from 'node:assert/strict'
import test, { suite } from 'node:test'
import { type Clock, scaledClock, systemClock, VirtualClock } from '@commonhold/core'
import fc from 'fast-check'
import { suspensionCounted } from '../src/clock.ts'

suite('VirtualClock', () => {
  test('does not move by itself', async () => {
    const clock = new VirtualClock(1_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(clock.monotonicMs(), 0)
    assert.equal(clock.wallMs(), 1_000)
  })

  test('wakes every sleeper at its own instant, in order of time and then of arrival', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 50 }), { maxLength: 20 }),
        fc.array(fc.nat({ max: 30 })),
        async (delays, steps) => {
          const clock = new VirtualClock()
          const woken: { index: number; atMs: number }[] = []
          for (const [index, ms] of delays.entries()) {
            void clock.sleep(ms).then(() => woken.push({ index, atMs: clock.monotonicMs() }))
          }
          for (const step of steps) await clock.advance(step)
          const endMs = steps.reduce((sum, step) => sum + step, 0)
          const expected = delays
            .map((atMs, index) => ({ index, atMs }))
            // Nothing was advanced, so nobody woke, those of 0 ms included.
            .filter(({ atMs }) => steps.length > 0 && atMs <= endMs)
            .toSorted((a, b) => a.atMs - b.atMs || a.index - b.index)
          assert.deepEqual(woken, expected)
          assert.equal(clock.monotonicMs(), endMs)
          assert.equal(clock.sleeping, delays.length - expected.length)
        }
      )
    )
  })

  test('a loop that sleeps again and again runs a week in one call', async () => {
    const clock = new VirtualClock()
    let turns = 0
    const stop = new AbortController()
    const loop = (async () => {
      for (;;) {
        await clock.sleep(60_000, { signal: stop.signal })
        turns++
      }
    })()
    const weekMs = 7 * 24 * 3_600_000
    await clock.advance(weekMs)
    assert.equal(turns, weekMs / 60_000)
    stop.abort(new Error('enough'))
    await assert.rejects(loop, { message: 'enough' })
    assert.equal(clock.sleeping, 0)
  })

  test('what a sleeper starts on waking is done before time goes on', async () => {
    const clock = new VirtualClock()
    const seenMs: number[] = []
    void clock.sleep(10).then(async () => {
      await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      seenMs.push(clock.monotonicMs())
    })
    void clock.sleep(20).then(() => seenMs.push(clock.monotonicMs()))
    await clock.advance(1_000)
    assert.deepEqual(seenMs, [10, 20])
  })
})

/** What every clock promises about calling a sleep off. */
function abortable(name: string, clock: Clock): void {
  test(`${name}: an aborted sleep rejects with the reason and leaves no listener`, async () => {
    const stop = new AbortController()
    const sleep = clock.sleep(3_600_000, { signal: stop.signal })
    const reason = new Error('called off')
    stop.abort(reason)
    await assert.rejects(sleep, reason)
    await assert.rejects(clock.sleep(0, { signal: stop.signal }), reason)
  })
}
abortable('systemClock', systemClock)
abortable('VirtualClock', new VirtualClock())
abortable('scaledClock', scaledClock(systemClock, 10))

test('systemClock never goes backwards, and a sleep is not shorter than asked', async () => {
  const startMs = systemClock.monotonicMs()
  await systemClock.sleep(15)
  // Timers count whole milliseconds from the start of their turn of the event loop.
  assert.ok(systemClock.monotonicMs() - startMs >= 14)
  assert.ok(Math.abs(systemClock.wallMs() - Date.now()) < 1_000)
})

test('scaledClock: sleeps are shorter and ages longer by the factor, the wall clock is left alone', async () => {
  const inner = new VirtualClock(5_000)
  const clock = scaledClock(inner, 60)
  let awake = false
  void clock.sleep(60_000).then(() => {
    awake = true
  })
  await inner.advance(999)
  assert.equal(awake, false)
  await inner.advance(1)
  assert.equal(awake, true)
  assert.equal(clock.monotonicMs(), 60_000)
  assert.equal(clock.wallMs(), 6_000)
})

suite('a monotonic time that counts suspensions', () => {
  test('stands still for nothing: what the machine slept is in it, what its wall clock was set to is not', () => {
    const machine = { runningMs: 5000, asleepMs: 0, setMs: 0, looks: 0 }
    const monotonicMs = suspensionCounted({
      runningMs: () => machine.runningMs,
      wallMs: () => 1_000_000 + machine.runningMs + machine.asleepMs + machine.setMs,
      upSeconds: () => {
        machine.looks++
        // As /proc/uptime tells it: hundredths.
        return Math.floor((77_000 + machine.runningMs + machine.asleepMs) / 10) / 100
      }
    })
    assert.equal(monotonicMs(), 5000)
    machine.runningMs += 250
    assert.equal(monotonicMs(), 5250)
    machine.setMs += 20 * 365 * 86_400_000
    assert.equal(monotonicMs(), 5250, 'a wall clock set by twenty years')
    machine.setMs -= 3_600_000
    assert.equal(monotonicMs(), 5250, 'and back by an hour')
    machine.asleepMs += 600_000
    machine.runningMs += 3
    assert.ok(Math.abs(monotonicMs() - 605_253) <= 10, String(monotonicMs()))
    machine.asleepMs += 28_800_000
    const now = monotonicMs()
    assert.ok(Math.abs(now - 29_405_253) <= 10, String(now))
    const { looks } = machine
    machine.runningMs += 100
    assert.equal(monotonicMs(), now + 100)
    assert.equal(machine.looks, looks, 'the kernel is asked only after a step')
  })

  test('never goes backwards, whatever is set and slept', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            run: fc.nat(10_000),
            sleep: fc.nat(10 ** 9),
            set: fc.integer({ min: -(10 ** 9), max: 10 ** 9 })
          })
        ),
        (days) => {
          const machine = { runningMs: 0, asleepMs: 0, setMs: 0 }
          const monotonicMs = suspensionCounted({
            runningMs: () => machine.runningMs,
            wallMs: () => machine.runningMs + machine.asleepMs + machine.setMs,
            upSeconds: () => Math.floor((machine.runningMs + machine.asleepMs) / 10) / 100
          })
          let before = monotonicMs()
          for (const { run, sleep, set } of days) {
            machine.runningMs += run
            machine.asleepMs += sleep
            machine.setMs += set
            const now = monotonicMs()
            assert.ok(now >= before)
            before = now
          }
        }
      )
    )
  })
})
