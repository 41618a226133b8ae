// Stable sorts of rows. An element becomes a word: an unsigned key that is ordered as the elements are, above its place
// in the row. So all words differ, any way to sort them is stable, and places come with them. Where nobody asks for
// places, a word is the key alone. Up to kMany words a network of vectors sorts; more are first dealt out to buckets by
// the highest bits of their keys. Where key and place have more than kWordBits, words have the higher bits of keys, and
// those that are equal but for their places are sorted by the others.
#include "params/sort.h"

#include "cpu/sort_network.h"
#include "cpu/word.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
using Key = Word<T>;

// Equal elements have equal keys: both zeros, and all NaNs, which come behind the largest number.
template <typename T>
TILEGRAD_INLINE Key<T> key_of(T value) {
  constexpr Key<T> kTop = static_cast<Key<T>>(Key<T>{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_floating_point_v<T>) {
    const Key<T> bits = __builtin_bit_cast(Key<T>, value + T(0));  // -0 + 0 is 0
    const Key<T> key = bits & kTop ? ~bits : bits | kTop;
    return value != value ? static_cast<Key<T>>(~Key<T>{0}) : key;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Key<T>>(value) ^ kTop;
  } else {
    return __builtin_bit_cast(Key<T>, value);
  }
}

// Whether value_of(key_of(value)) may be another element: of NaN and -0.
template <typename T>
TILEGRAD_INLINE bool is_unlike(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool is_minus_zero = __builtin_bit_cast(Key<T>, value) == Key<T>{1} << (8 * sizeof(T) - 1);
    return is_minus_zero | (value != value);
  } else {
    return false;
  }
}
template <typename T>
TILEGRAD_INLINE T value_of(Key<T> key) {
  constexpr Key<T> kTop = static_cast<Key<T>>(Key<T>{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_floating_point_v<T>) {
    return __builtin_bit_cast(T, key & kTop ? key ^ kTop : ~key);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(key ^ kTop);
  } else {
    return __builtin_bit_cast(T, key);
  }
}

TILEGRAD_INLINE int width_of(uint64_t value) { return value ? 64 - __builtin_clzll(value) : 0; }

// So few words are sorted by insertion, so many by the network: two buffers of them are twice the L1 cache.
inline constexpr int64_t kFew = 16;
template <typename W>
inline constexpr int64_t kMany = 32768 / sizeof(W);
// Neighbouring buckets are sorted together while they are so many words, rather than each with a network to fill up.
inline constexpr int64_t kGroup = 256;
// Bits of keys by which words are dealt out at a time: their counts stay in the L1 cache.
inline constexpr int kDigit = 11;
static_assert(1 << kDigit == kSortBuckets);

// Keys of a row or of a part of it.
struct KeysFound {
  uint64_t least, most;
  uint64_t unlike;  // whether is_unlike() is true of any element
};

// Words with places are doubles to the network: bit 61 is set and those above are not, so they are normal numbers.
template <typename W>
inline constexpr int kWordBits = sizeof(W) == 8 ? 61 : 32;
template <typename W>
inline constexpr W kWordTop = sizeof(W) == 8 ? W{1} << 61 : 0;

// One row. Bits [below, below + left) of keys are those in words that may differ; the lower ones are in no word yet.
template <typename T, typename W>
struct RowSort {
  static constexpr bool kPlaces = sizeof(W) == 8;
  using Network = SortNetwork<std::conditional_t<kPlaces, SortedWord, W>>;
  const T* x;
  T* y;              // or null
  int64_t* indices;  // or null
  int64_t length;
  bool descending;
  int place_bits;
  W places;
  uint64_t least = 0;   // subtracted from keys
  bool whole = false;   // whether values are made from words, which hold whole keys
  bool unlike = false;  // whether not all elements are what value_of() makes of their keys

  TILEGRAD_INLINE RowSort(const Sort& p, const T* x, T* y, int64_t* indices, int64_t row)
      : x(x + row * p.length),
        y(y ? y + row * p.length : nullptr),
        indices(indices ? indices + row * p.length : nullptr),
        length(p.length),
        descending(p.descending),
        place_bits(kPlaces ? width_of(static_cast<uint64_t>(p.length - 1)) : 0),
        places(static_cast<W>((W{1} << place_bits) - 1)) {}

  TILEGRAD_INLINE Key<T> key(int64_t i) const {
    const Key<T> key = key_of(x[i]);
    return descending ? static_cast<Key<T>>(~key) : key;
  }
  TILEGRAD_INLINE T value(W word) const {
    const Key<T> key = static_cast<Key<T>>(((word & ~kWordTop<W>) >> place_bits) + static_cast<W>(least));
    return value_of<T>(descending ? static_cast<Key<T>>(~key) : key);
  }
  TILEGRAD_INLINE static W mask_of(int bits) { return static_cast<W>((uint64_t{1} << bits) - 1); }
  TILEGRAD_INLINE W word(int64_t i, int below, W mask) const {
    const W part = static_cast<W>(static_cast<W>(key(i)) - static_cast<W>(least)) >> below & mask;
    return kPlaces ? part << place_bits | static_cast<W>(i) | kWordTop<W> : part;
  }
  TILEGRAD_INLINE KeysFound find_keys(Range range) const {
    const RowSort row = *this;
    Key<T> low = static_cast<Key<T>>(~Key<T>{0}), high = 0, found = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(| : found)
    for (int64_t i = range.begin; i < range.end; ++i) {
      const Key<T> k = row.key(i);
      low = smaller(low, k);
      high = larger(high, k);
      found |= is_unlike(row.x[i]) ? Key<T>{1} : Key<T>{0};
    }
    return {low, high, found};
  }

  // Writes sorted words. Elements of a long row, which lie far from each other in memory, are made from keys.
  TILEGRAD_INLINE void write(const W* words, Range range, int64_t at) const {
    const RowSort row = *this;
    if (indices) {
#pragma omp simd
      for (int64_t i = range.begin; i < range.end; ++i)
        row.indices[at + i] = static_cast<int64_t>(words[i] & row.places);
    }
    if (!y) return;
    if (!kPlaces || whole) {
#pragma omp simd
      for (int64_t i = range.begin; i < range.end; ++i) row.y[at + i] = row.value(words[i]);
    } else {
      for (int64_t i = range.begin; i < range.end; ++i) row.y[at + i] = row.x[words[i] & row.places];
    }
  }

  // Zeros and NaNs of all kinds in the order of x, where write() made them all alike.
  void write_unlike() const {
    if constexpr (std::is_floating_point_v<T>) {
      int64_t zero = 0, nan = 0;
      while (zero < length && y[zero] != T(0)) ++zero;
      while (nan < length && y[nan] == y[nan]) ++nan;
      for (int64_t i = 0; i < length; ++i) {
        if (x[i] == T(0)) y[zero++] = x[i];
        if (x[i] != x[i]) y[nan++] = x[i];
      }
    }
  }

  // Sorts words from(0) ... from(count - 1), up to kMany, to the outputs from number `at` on.
  template <typename From>
  [[gnu::noinline]] void sort_few(From from, int64_t count, int64_t at, int below) const {
    alignas(64) W words[kMany<W>];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) words[i] = from(i);
    if (count <= kFew) {
      for (int64_t i = 1; i < count; ++i) {
        const W word = words[i];
        int64_t k = i;
        for (; k > 0 && word < words[k - 1]; --k) words[k] = words[k - 1];
        words[k] = word;
      }
      write(words, {0, count}, at);
      return sort_equal(words, count, at, below);
    }
    using Words = decltype(Network::words);
    alignas(64) W sorted[kMany<W>];
    int64_t vectors = Network::kLeast;
    while (vectors * Network::kWide < count) vectors *= 2;
    for (int64_t i = count; i < vectors * Network::kWide; ++i) words[i] = static_cast<W>(2 * kWordTop<W> - 1);
    Network::sort(reinterpret_cast<Words>(words), vectors, round_up(ceil_div(count, Network::kWide), kSortTogether));
    Network{reinterpret_cast<Words>(words)}.write(vectors, reinterpret_cast<Words>(sorted));
    write(sorted, {0, count}, at);
    sort_equal(sorted, count, at, below);
  }

  // Sorted words that are equal but for their places are sorted by the bits that are in none.
  TILEGRAD_INLINE void sort_equal(W* words, int64_t count, int64_t at, int below) const {
    if constexpr (kPlaces && sizeof(T) >= 4) {
      for (int64_t i = 0; below > 0 && i < count;) {
        const int64_t begin = i++;
        while (i < count && words[begin] >> place_bits == words[i] >> place_bits) ++i;
        if (i - begin > 1) sort_words(words + begin, nullptr, i - begin, at + begin, below, 0);
      }
    }
  }

  // Sorts words to the outputs from number `at` on; where they are many there is room for as many.
  void sort_words(W* words, W* room, int64_t count, int64_t at, int below, int left) const {
    const RowSort row = *this;
    if (left == 0 && below > 0 && count > 1) {  // equal so far
      left = smaller(below, kWordBits<W> - place_bits);
      below -= left;
      const W mask = mask_of(left);
      for (int64_t i = 0; i < count; ++i) {
        words[i] = row.word(static_cast<int64_t>(words[i] & row.places), below, mask);
      }
    }
    const auto from = [=](int64_t i) __attribute__((always_inline)) { return words[i]; };
    if (left == 0 || count == 1) {
      write(words, {0, count}, at);  // places ascend
    } else if (count <= kMany<uint64_t> || !room) {
      sort_few(from, count, at, below);
    } else {
      deal(Team{}, from, room, words, count, at, below, left, nullptr);
    }
  }

  // Calls f(word) for the words of `range`. They are made in blocks, by vectors.
  template <typename From, typename F>
  TILEGRAD_INLINE static void for_each_word(Range range, From from, F f) {
    constexpr int64_t kBlock = 64;
    W block[kBlock];
    for (int64_t begin = range.begin; begin < range.end; begin += kBlock) {
      const int64_t count = smaller(kBlock, range.end - begin);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) block[i] = from(begin + i);
      for (int64_t i = 0; i < count; ++i) f(block[i]);
    }
  }

  // Deals words from(0) ... from(count - 1) out to buckets by the highest bits that are left, and sorts the buckets.
  template <typename From>
  TILEGRAD_INLINE void deal(const Team& team, From from, W* to, W* room, int64_t count, int64_t at, int below, int left,
                            uint32_t* counts) const {
    const int digit = smaller(left, smaller(kDigit, larger(8, width_of(static_cast<uint64_t>(count)) - 4)));
    const int shift = place_bits + left - digit;
    const int64_t buckets = int64_t{1} << digit;
    const W mask = static_cast<W>(buckets - 1);
    const Range mine = team.share(count);
    uint32_t next[kSortBuckets], ends[kSortBuckets];
    if (team.size == 1) counts = ends;
    uint32_t* own = counts + team.rank * kSortBuckets;
    for (int64_t b = 0; b < buckets; ++b) own[b] = 0;
    for_each_word(mine, from, [&](W word) __attribute__((always_inline)) { ++own[word >> shift & mask]; });
    team.barrier();
    uint32_t total = 0;
    for (int64_t b = 0; b < buckets; ++b) {
      for (int member = 0; member < team.size; ++member) {
        if (member == team.rank) next[b] = total;
        total += counts[member * kSortBuckets + b];
      }
      ends[b] = total;
    }
    left -= digit;
    if (!kPlaces && left == 0) {  // the words of a bucket are equal
      const W others = from(0) & static_cast<W>(~(mask << shift));
      for (int64_t b = 0, begin = 0; b < buckets; begin = ends[b++]) {
        const T filled = value(others | static_cast<W>(b) << shift);
        const int64_t first = larger(begin, mine.begin), last = smaller<int64_t>(ends[b], mine.end);
        for (int64_t i = first; i < last; ++i) y[at + i] = filled;
      }
      return;
    }
    for_each_word(mine, from, [&](W word) __attribute__((always_inline)) { to[next[word >> shift & mask]++] = word; });
    team.barrier();
    for (int64_t b = 0, begin = 0; b < buckets;) {
      int64_t end = ends[b++], together = 1;
      for (; b < buckets && ends[b] - begin <= kGroup; ++together) end = ends[b++];
      if (end > begin && begin >= mine.begin && begin < mine.end) {
        // The words of one bucket are equal in these bits, those of several are in order by them.
        const int rest = together == 1 || left + below == 0 ? left : left + digit;
        sort_words(to + begin, room + begin, end - begin, at + begin, below, rest);
      }
      begin = end;
    }
  }

  // By one thread or by all; there is memory for 2 * length words, and for a team's counts.
  [[gnu::noinline]] void sort_row(const Team& team, W* memory, KeysFound* found, uint32_t* counts) {
    const Range mine = team.share(length);
    const bool is_long = length > (sizeof(T) == 1 ? kGroup : kMany<W>);  // keys of a byte are dealt out at once
    int below = 0, left = 8 * static_cast<int>(sizeof(T));
    if (is_long || left > kWordBits<W> - place_bits || (!kPlaces && std::is_floating_point_v<T>)) {
      KeysFound keys = find_keys(mine);
      if (team.size > 1) {
        found[team.rank] = keys;
        team.barrier();
        for (int member = 0; member < team.size; ++member) {
          keys = {smaller(keys.least, found[member].least), larger(keys.most, found[member].most),
                  keys.unlike | found[member].unlike};
        }
      }
      least = keys.least;
      unlike = keys.unlike != 0;
      const int width = width_of(keys.most - keys.least);
      left = smaller(width, kWordBits<W> - place_bits);
      below = width - left;
      whole = is_long && below == 0 && !unlike;
    }
    const W mask = mask_of(left);
    const RowSort row = *this;
    const auto from = [=](int64_t i) __attribute__((always_inline)) { return row.word(i, below, mask); };
    if (is_long && left > 0) {
      deal(team, from, memory, memory + length, length, 0, below, left, counts);
    } else if (is_long) {  // all are equal
      for (int64_t i = mine.begin; i < mine.end; ++i) memory[i] = from(i);
      write(memory, mine, 0);
    } else {
      sort_few(from, length, 0, below);
    }
    team.barrier();
    if (!kPlaces && unlike && team.rank == 0) write_unlike();
  }
};

// Rows this long are sorted by all members where there are few.
inline constexpr int64_t kLongRow = 1 << 15;

template <typename W, typename T>
TILEGRAD_INLINE void sort_rows(const Team& team, const Sort& p, const T* x, T* y, int64_t* indices, void* memory) {
  W* const words = static_cast<W*>(memory);
  if (p.length >= kLongRow && p.rows < 2 * team.size && team.size > 1) {
    KeysFound* found = reinterpret_cast<KeysFound*>(static_cast<uint64_t*>(memory) + 2 * p.length);
    uint32_t* counts = reinterpret_cast<uint32_t*>(found + team.size);
    for (int64_t row = 0; row < p.rows; ++row) {
      RowSort<T, W>(p, x, y, indices, row).sort_row(team, words, found, counts);
    }
    return;
  }
  const Range mine = team.share(p.rows);
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    RowSort<T, W>(p, x, y, indices, row).sort_row(Team{}, words + team.rank * 2 * p.length, nullptr, nullptr);
  }
}

template <typename T>
void sort(const Team& team, const Sort& p, const T* x, T* y, int64_t* indices, Workspace workspace) {
  if (p.length == 0) return;
  if constexpr (std::is_same_v<T, Bool>) {  // zeros and ones
    const auto* const bytes = reinterpret_cast<const uint8_t*>(x);
    return sort(team, p, bytes, reinterpret_cast<uint8_t*>(y), indices, workspace);
  } else if constexpr (sizeof(T) <= 4) {
    constexpr int64_t kSpared = 64;  // shorter rows fill a network with places, and not one without
    if (!indices && p.length > kSpared) return sort_rows<uint32_t>(team, p, x, y, indices, workspace.data);
  }
  if constexpr (!std::is_same_v<T, Bool>) sort_rows<uint64_t>(team, p, x, y, indices, workspace.data);
}

}  // namespace
DEFINE_KERNEL(sort, COMPARABLE)
}  // namespace tilegrad::cpu::TILEGRAD_ISA
