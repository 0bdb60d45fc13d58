export { type Channel, type ChannelOptions, openChannel, openChannelOver } from './channel.ts';
export type { ChannelTransport } from './connection.ts';
export { type ChannelIdentity, controlProof, createChannelIdentity, loadChannelIdentity } from './identity.ts';
export { PREPARE_FILE } from './init-script.ts';
export { packScript } from './pack-script.ts';
export { channelSeeds, INIT_COMMAND, REQUIRED_CAPABILITIES } from './seeds.ts';
