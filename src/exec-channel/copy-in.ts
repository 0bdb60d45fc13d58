import { type CopyInOptions, type CopyReport, TerokError } from '../core/index.ts';
import type { Channel } from './channel.ts';

export function copyIn(_channel: Channel, _request: { source: string; target: string; options: CopyInOptions }): Promise<CopyReport> {
  return Promise.reject(new TerokError('RUNTIME_FAILED', 'Not there yet.'));
}
