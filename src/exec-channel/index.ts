export { type Channel, type ChannelOptions, openChannel, openChannelOver } from './channel.ts';
export { type ChannelTransport, packScript } from './connection.ts';
export { type ChannelIdentity, createChannelIdentity, loadChannelIdentity } from './identity.ts';
export { channelSeeds, INIT_COMMAND, REQUIRED_CAPABILITIES } from './seeds.ts';
