// A Commonhold node: what is on its disk and how it speaks to others. Storage keeps blocks and record
// logs durable and makes whole objects of them; the network finds, fetches and serves them.
// Knows nothing of pools, wishes or copies: that is the pinning package.

// Storage.
export { type BlockStore, type BlockUsage, verifyBlock } from './block-store.ts'
export { type DataFolder, openDataFolder } from './data-folder.ts'
export { type Denial, type DenyListener, LocalDenyList } from './deny-list.ts'
export { DiskSpace, type SpaceReport } from './disk-space.ts'
export { FileBlockStore } from './file-block-store.ts'
export { type FileSystem, nodeFileSystem } from './file-system.ts'
export { type IndexDatabase, migrateIndex, openIndexDatabase } from './index-database.ts'
export { type Ingested, type IngestOptions, ingest } from './ingest.ts'
export { type NodeTables, nodeMigrations } from './node-tables.ts'
export type { ByteRange } from './object-dag.ts'
export type { StoredObject } from './object-index.ts'
export type { CompletedObject, IntakeOptions, ObjectIntake } from './object-intake.ts'
export { type LocalObjects, Objects, type Reconciled, type WantedName } from './objects.ts'
export { defaults, type NodeOptions } from './options.ts'
export { FileRecordLog, FileRecordLogs } from './record-log.ts'
