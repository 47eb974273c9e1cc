import { storageSuite } from '../../contracts/storage.ts'
import { Store, sampleContent } from './store.ts'

storageSuite('directory storage', async () => {
  const store = await Store.make()
  return {
    storage: store.storage,
    reopen: () => store.reopen(),
    offer: async format => store.offer(await sampleContent(format), format),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]()
  }
})
