import { TerokError } from '../core/index.ts';

export function channelLost(reason: string, cause?: unknown): TerokError {
  return new TerokError('CHANNEL_LOST', `No way into the bottle: ${reason}`, {
    hint: 'See whether the bottle and its gateway run: `terok status`.',
    ...(cause === undefined ? {} : { cause }),
  });
}
