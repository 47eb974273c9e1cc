import { randomUUID } from 'node:crypto'
import { storageSuite } from '../../contracts/storage.ts'
import { FakeStorage } from '../../world/fake-storage.ts'

storageSuite('the fake storage', async () => {
  const storage = new FakeStorage()
  return {
    storage,
    reopen: async () => storage,
    offer: async format => ({
      id: `im-${randomUUID()}`,
      name: 'an-image',
      format,
      sha256: 'a'.repeat(64),
      sizeBytes: 1024 * 1024,
      url: 'http://images.invalid/'
    }),
    [Symbol.asyncDispose]: async () => {}
  }
})
