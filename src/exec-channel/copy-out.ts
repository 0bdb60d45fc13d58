import { type CopyOutOptions, type CopyReport, TerokError } from '../core/index.ts';
import type { Channel } from './channel.ts';

export function copyOut(_channel: Channel, _request: { source: string; target: string; options: CopyOutOptions }): Promise<CopyReport> {
  return Promise.reject(new TerokError('RUNTIME_FAILED', 'Not there yet.'));
}
