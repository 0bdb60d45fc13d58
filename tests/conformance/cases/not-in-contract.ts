/** Rows of the table of cases that the contract gives nothing to test for; they count as skipped, with the reason. */
export const notInContract: readonly { readonly id: `F${string}`; readonly title: string; readonly reason: string }[] = [
  {
    id: 'F64',
    title: 'an image cannot set entry point, user, volumes or health checks',
    reason: 'needs a hostile image; tested where images are built and checked',
  },
];
