import type { SeedFile } from '../../core/index.ts';
import { openChannelOver } from '../../exec-channel/index.ts';
import { ApiService, type BottleWay, type PodmanHost } from '../oci/index.ts';
import { ApiTransport } from './api-transport.ts';

/** First process of a bottle whose image has no SSH server. */
export const API_INIT_COMMAND: readonly string[] = ['/bin/sh', '/usr/lib/terok/init'];

/** Waits, reaps what is left to it, and ends everything on TERM. */
const INIT_SCRIPT = `trap 'trap "" TERM INT; kill -TERM -1; sleep 1; kill -KILL -1; exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
`;

export function apiSeeds(): readonly SeedFile[] {
  return [{ path: '/usr/lib/terok/init', content: INIT_SCRIPT, mode: 0o755, owner: 'root' }];
}

/** Runs commands through exec sessions of Podman's API: slower than SSH, and a monitor process stays for each for some minutes. */
export function openApiWay(host: PodmanHost, runtimeDir: string, containerId: string): BottleWay {
  const service = new ApiService(host, runtimeDir);
  const channel = openChannelOver((user) => new ApiTransport(service, containerId, user));
  return {
    ...channel,
    close: () => {
      channel.close();
      void service.close();
    },
  };
}
