// @commonhold/http-bridge: the HTTP face of a node. It turns names in URLs into verified bytes from wherever they
// are, without keeping them, and bodies of uploads into kept objects.

export { createBridgeApp } from './app.ts'
export type {
  BridgeComponents,
  ByteRange,
  Chunk,
  Health,
  HealthState,
  Holder,
  Intake,
  Library,
  NamedBlock,
  NodeAbout,
  ObjectStat,
  Pins,
  PutOptions,
  PutResult,
  ReplicationStatus,
  ResolvedName,
  TokenScope,
  Tokens
} from './components.ts'
export { type BridgeOptions, defaults as bridgeDefaults } from './options.ts'
export { httpStatusOf } from './problems.ts'
export { BridgeServer, type ListenOptions } from './server.ts'
