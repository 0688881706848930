/** Path of an image's OCI layout, made by `ensureRealImages`. */
export function realImageLayout(name: string): string;
/** Makes the images that are not there yet. */
export function ensureRealImages(): void;
