// Objects with a lock that all threads share: never destroyed, because tensors may outlive static destruction at interpreter
// exit, and never locked in a forked child by a thread that it does not have.
#pragma once

#include <pthread.h>

namespace tilegrad {

// The one T, which has lock() and unlock(). To be asked for when the library is loaded: a fork while another thread makes it
// would leave the child with half of it.
template <typename T>
T& fork_safe() {
  static T* const instance = [] {
    pthread_atfork([] { fork_safe<T>().lock(); }, [] { fork_safe<T>().unlock(); }, [] { fork_safe<T>().unlock(); });
    return new T;
  }();
  return *instance;
}

}  // namespace tilegrad
