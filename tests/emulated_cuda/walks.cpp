// Blocks of a contraction against its tiles: each has one of its own, also where the last rows of tiles are few. Checked by the
// compiler.
#include "cuda/device/bulk_product.cuh"

namespace tilegrad::cuda {
namespace {

template <uint32_t kDown>
consteval bool is_one_to_one(uint32_t tiles_m, uint32_t tiles_n, uint32_t parts) {
  Layout layout{};
  layout.tiles_m = tiles_m, layout.tiles_n = tiles_n, layout.parts = parts;
  bool taken[256] = {};
  for (uint32_t block = 0; block < layout.blocks(); ++block) {
    const Place place = place_of<kDown>(layout, block);
    if (place.part >= parts || place.m >= tiles_m || place.n >= tiles_n) return false;
    bool& tile = taken[(place.part * tiles_m + place.m) * tiles_n + place.n];
    if (tile) return false;
    tile = true;
  }
  return true;
}
template <uint32_t kDown>
consteval bool is_one_to_one() {
  for (const uint32_t tiles_m : {1, 7, 8, 9, 15, 16, 17, 33}) {
    for (const uint32_t tiles_n : {1, 2, 3}) {
      if (!is_one_to_one<kDown>(tiles_m, tiles_n, 1) || !is_one_to_one<kDown>(tiles_m, tiles_n, 2)) return false;
    }
  }
  return true;
}
static_assert(is_one_to_one<kWalk>());
static_assert(is_one_to_one<kBulkWalk>());

}  // namespace
}  // namespace tilegrad::cuda
