// Loaded into a node before its program: its wall clock is off by CLOCK_OFFSET_MS, as that of a machine without
// a battery or without a time server. The monotonic clock runs as it does.

const offsetMs = Number(process.env['CLOCK_OFFSET_MS'] ?? 0)
const now = Date.now

globalThis.Date = new Proxy(Date, {
  construct: (date, when: unknown[]) => Reflect.construct(date, when.length === 0 ? [Date.now()] : when)
})
Date.now = () => now() + offsetMs
