import type { Image } from '#shared/model/image.ts'
import { refuse } from '../refusal.ts'
import { admitted, type Context, unchanged, type Verdict } from './context.ts'

/** What was found of content that is stored whole: its hash, its size, and what it unpacks to. */
export type ImageContent = NonNullable<Image['decided']['content']>

/** Judges content that has been stored whole: it must be what the wish says, and the first. */
export function fillImage(image: Image, content: ImageContent, context: Context): Verdict {
  const has = image.decided.content
  if (has?.sha256 === content.sha256) return unchanged(image)
  if (has) {
    return refuse('conflict', `image ${image.name} has its content already`, {
      reasons: [`SHA-256 ${has.sha256}, ${has.sizeBytes} bytes; images never change`],
      next: ['import the other content under another name']
    })
  }
  if (image.spec.sha256 !== undefined && image.spec.sha256 !== content.sha256) {
    return refuse('invalid', `the content of image ${image.name} is not what was announced`, {
      reasons: [`SHA-256 ${content.sha256} was received, ${image.spec.sha256} is expected`],
      next: ['check the file and import it again']
    })
  }
  const { failure: _, ...decided } = image.decided
  return admitted(
    context,
    { ...image, decided: { ...decided, content } },
    {
      verb: 'filled',
      because: `content of ${content.sizeBytes} bytes stored, SHA-256 ${content.sha256}`
    }
  )
}

/** Records why an import failed, once for each reason. */
export function failImage(image: Image, failure: string, context: Context): Verdict {
  if (image.decided.failure === failure || image.decided.content) return unchanged(image)
  const after = { ...image, decided: { ...image.decided, failure } }
  return admitted(context, after, { verb: 'import-failed', because: failure })
}
