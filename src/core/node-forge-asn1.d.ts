/** The ASN.1 part of node-forge alone: a tenth of the load time and half of the memory of the whole. */
declare module 'node-forge/lib/asn1.js' {
  import type { asn1 } from 'node-forge';

  const value: typeof asn1;
  export default value;
}
