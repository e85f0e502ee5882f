// Limits of the command line's own parts: the control socket and the start and stop of the node. What
// an operator sets is in config.ts.

export interface CliOptions {
  /**
   * Concurrent connections on the control socket. Commands come one at a time; scripts run a few
   * dozen. Lower makes parallel scripts wait, higher lets a runaway script take file handles.
   * @default 64
   */
  readonly controlConnectionsMax: number
  /**
   * Longest JSON body of a control request, in bytes. The longest real one is a reason for a denial.
   * Higher only lets a faulty program use memory.
   * @default 65536
   */
  readonly controlBodyBytesMax: number
  /**
   * Longest URL of a control request, in characters: two names and a few options fit ten times over.
   * @default 2048
   */
  readonly controlUrlCharsMax: number
  /**
   * Header bytes of a control request. Node's default of 16 KiB is more than any command sends.
   * @default 8192
   */
  readonly controlHeaderBytesMax: number
  /**
   * How long a connection may take to send its headers, in ms. Both ends are on one machine.
   * @default 5000
   */
  readonly controlHeadersTimeoutMs: number
  /**
   * How long an idle connection is kept, in ms: long enough for `status --watch`.
   * @default 10000
   */
  readonly controlIdleTimeoutMs: number
  /**
   * Time between two progress reports of `add --wait`, in ms: what a person still sees as moving.
   * @default 500
   */
  readonly settleReportMs: number
  /**
   * Room for uploads on a node that offers none to the pool and says nothing else, in bytes: an evening's
   * pictures of an instance, or the window through which larger files go. Lower refuses bursts, higher
   * takes disk from those who wished to give none.
   * @default 1000000000 (1 GB)
   */
  readonly stageBytes: number
  /**
   * How long a put waits for room while earlier uploads leave for their keepers, in ms. Lower
   * turns senders away that a breath would have served, higher holds connections nobody waits for any more.
   * @default 5000
   */
  readonly roomWaitMs: number
  /**
   * The same for the next segment of a file that goes through to keepers, in ms. Lower throws away what
   * was passed on already, higher holds a connection and room at keepers for a stage that does not empty.
   * @default 60000
   */
  readonly segmentRoomWaitMs: number
  /**
   * Time between two looks for that room, in ms. Lower asks more often for the same answer.
   * @default 50
   */
  readonly roomLookMs: number
  /**
   * Time between two looks at who is a member, in ms, to stay connected with them. A new member is
   * greeted by its own connection anyway.
   * @default 5000
   */
  readonly membersLookMs: number
  /**
   * Time between two counts of the pool's objects for the front page, in ms.
   * @default 5000
   */
  readonly countEveryMs: number
  /**
   * How long a stopping node waits for each of its parts, in ms, before it goes on without it. Lower
   * cuts downloads short, higher makes an operator reach for kill -9. More than the bridge drains for.
   * @default 15000
   */
  readonly stopTimeoutMs: number
  /**
   * Size of the config file read, in bytes; a longer one is no config file.
   * @default 1048576
   */
  readonly configBytesMax: number
}

export const defaults: CliOptions = Object.freeze({
  controlConnectionsMax: 64,
  controlBodyBytesMax: 64 * 1024,
  controlUrlCharsMax: 2048,
  controlHeaderBytesMax: 8 * 1024,
  controlHeadersTimeoutMs: 5_000,
  controlIdleTimeoutMs: 10_000,
  settleReportMs: 500,
  stageBytes: 1e9,
  roomWaitMs: 5_000,
  segmentRoomWaitMs: 60_000,
  roomLookMs: 50,
  membersLookMs: 5_000,
  countEveryMs: 5_000,
  stopTimeoutMs: 15_000,
  configBytesMax: 1024 * 1024
})
