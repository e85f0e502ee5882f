// A Commonhold node: what is on its disk and how it speaks to others. Storage keeps blocks and record
// logs durable and makes whole objects of them; the network finds, fetches and serves them.
// Knows nothing of pools, wishes or copies: that is the pinning package.

// Storage.
export { type BlockStore, type BlockUsage, verifyBlock } from './block-store.ts'
export { type DataFolder, openDataFolder } from './data-folder.ts'
export { type Denial, type DenyListener, LocalDenyList } from './deny-list.ts'
// Network.
export { DhtDiscovery, type Discovery } from './discover.ts'
export { DiskSpace, type SpaceReport } from './disk-space.ts'
export { type Exchange, ExchangeClient, type ExchangeGetOptions } from './exchange/client.ts'
export type { FetchedBlock } from './exchange/link.ts'
export { type ExchangeAccess, ExchangeServer, openAccess } from './exchange/server.ts'
export { exchangeProtocol } from './exchange/wire.ts'
export { type FetchedObject, type FetchObjectOptions, ObjectFetcher } from './fetch-object.ts'
export { FileBlockStore } from './file-block-store.ts'
export { type FileSystem, nodeFileSystem } from './file-system.ts'
export { exportKeys, type Identity, importKeys, openIdentity, readIdentity } from './identity.ts'
export { type IndexDatabase, migrateIndex, openIndexDatabase } from './index-database.ts'
export { type Ingested, type IngestOptions, ingest } from './ingest.ts'
export { type ConnectedPeer, Network, type NetworkInit } from './network.ts'
export { type NetworkRecords, openNetworkRecords } from './network-records.ts'
export { type NodeTables, nodeMigrations } from './node-tables.ts'
export type { ByteRange } from './object-dag.ts'
export type { StoredObject } from './object-index.ts'
export type { CompletedObject, IntakeOptions, ObjectIntake } from './object-intake.ts'
export { type LocalObjects, Objects, type Reconciled, type WantedName } from './objects.ts'
export { defaults, type NodeOptions } from './options.ts'
export { Libp2pPoolNetwork } from './pool-network.ts'
export { type ProvidedObject, Providing } from './provide.ts'
export { FileRecordLog, FileRecordLogs } from './record-log.ts'
export { Retrieval, type RetrieveOptions } from './retrieve.ts'
export { Scrub, type ScrubState } from './scrub.ts'
