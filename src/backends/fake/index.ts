export { createFakeBackend, type FakeBackendOptions } from './fake-backend.ts';
