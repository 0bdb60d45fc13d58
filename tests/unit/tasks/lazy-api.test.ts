import { expect, it } from 'vitest';
import { lazyApi } from '../../../src/tasks/lazy-api.ts';

interface Counter {
  readonly add: (by: number) => Promise<number>;
  readonly read: () => Promise<number>;
}

it('loads with the first call, once, and passes on what each method gets and gives', async () => {
  let loads = 0;
  let total = 0;
  const api = lazyApi<Counter>(async () => {
    loads += 1;
    return { add: async (by) => (total += by), read: async () => total };
  }, ['add', 'read']);
  expect(loads).toBe(0);
  expect(await Promise.all([api.add(2), api.add(3)])).toEqual([2, 5]);
  expect(await api.read()).toBe(5);
  expect(loads).toBe(1);
});

it('fails as its method fails', async () => {
  const api = lazyApi<Pick<Counter, 'read'>>(async () => ({ read: () => Promise.reject(new Error('no number')) }), ['read']);
  await expect(api.read()).rejects.toThrow('no number');
});
