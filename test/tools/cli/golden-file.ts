import { goldenIn } from '../../world/golden-file.ts'

/** Compares text with a golden file of this folder. */
export const isGolden = goldenIn(import.meta.dirname)
