/** The connection pool of undici alone: half of the load time of the whole, and 7 MB less memory. */
declare module 'undici/lib/dispatcher/pool.js' {
  import type { Pool } from 'undici';

  const value: typeof Pool;
  export default value;
}
