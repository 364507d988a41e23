// Logits of a vocabulary: weights whose sums are exact, and what stands where in their order;
// included once per instruction set.
//
// The weight of a logit is 2^38 · e^((logit − peak) · sharpness), to the nearest integer, so that
// sums do not depend on the order of addition. It is computed as two parts of 19 bits: sixteen
// lanes of 32-bit integers hold the sums of thousands of parts.

enum { PART_BITS = CK_WEIGHT_BITS / 2, WEIGHED_AT_ONCE = 1024 * STEP };

// weight = high · 2^19 + low
typedef struct weight_parts {
  v16i high, low;
} weight_parts;

// Zero for logits outside of minimum ... maximum, and where there is no logit. The power of two is
// multiplied in one step: below e^-40 all weights are zero.
INLINE weight_parts weigh_lanes(const ck_weighing *w, v16f x) {
  v16f exponent = v_mul(v_sub(x, v_set1(w->peak)), v_set1(w->sharpness));
  exponential_parts parts = v_exp_parts(v_max(exponent, v_set1(-40)));
  v16f scaled = v_mul(parts.power, power_of_two(i_add(parts.n, i_set1(PART_BITS))));
  scaled = v_select_less(x, v_set1(w->minimum), v_zero(), scaled);
  scaled = v_select_less(v_set1(w->maximum), x, v_zero(), scaled);
  v16i high = nearest(scaled);
  v16f rest = v_mul(v_sub(scaled, v_from_int(high)), v_set1(1 << PART_BITS));  // exact
  return (weight_parts){high, nearest(rest)};
}

INLINE v16f load_logits(const float *x, size_t n) {
  if (n == STEP) return v_load(x);
  float step[STEP];
  for (size_t i = 0; i < STEP; i++) step[i] = i < n ? x[i] : -__builtin_inff();
  return v_load(step);
}

INLINE int64_t sum_lanes(v16i lanes) {
  int32_t values[STEP];
  int64_t sum = 0;
  i_store(values, lanes);
  for (size_t i = 0; i < STEP; i++) sum += values[i];
  return sum;
}

static uint64_t weigh(const ck_weighing *w, const float *x, size_t count) {
  const v16f minimum = v_set1(w->minimum);
  uint64_t total = 0;
  for (size_t first = 0; first < count; first += WEIGHED_AT_ONCE) {
    v16i high = i_set1(0), low = i_set1(0);
    size_t some = least(WEIGHED_AT_ONCE, count - first);
    EACH_STEP(some) {
      v16f logits = load_logits(x + first + at, n);
      if (!v_any_at_least(logits, minimum)) continue;
      weight_parts parts = weigh_lanes(w, logits);
      high = i_add(high, parts.high);
      low = i_add(low, parts.low);
    }
    total += (uint64_t)((sum_lanes(high) << PART_BITS) + sum_lanes(low));
  }
  return total;
}

// Ascending as logits descend. Logits outside of minimum ... maximum get buckets that mean nothing,
// different ones as a rule: processors take several times as long to add to one again and again.
INLINE v16i bucket_of(const ck_weighing *w, float scale, v16f x) {
  v16f distance = v_mul(v_sub(v_set1(w->maximum), x), v_set1(scale));
  return i_and(nearest(clamp(distance, 1 << 21)), i_set1(CK_BUCKETS - 1));
}

// Vectors first and scalars afterwards: what was just stored is slow to load in pieces.
static void spread(const ck_weighing *w, float scale, const float *x, size_t count,
                   uint64_t *buckets) {
  enum { SOME = 16 * STEP };
  int32_t high[SOME + STEP], low[SOME + STEP], places[SOME + STEP];
  const v16f minimum = v_set1(w->minimum);
  for (size_t first = 0; first < count; first += SOME) {
    size_t some = least(SOME, count - first), kept = 0;
    EACH_STEP(some) {
      v16f logits = load_logits(x + first + at, n);
      if (!v_any_at_least(logits, minimum)) continue;
      weight_parts parts = weigh_lanes(w, logits);
      i_store_kept(high + kept, parts.high, logits, minimum);
      i_store_kept(low + kept, parts.low, logits, minimum);
      kept += i_store_kept(places + kept, bucket_of(w, scale, logits), logits, minimum);
    }
    for (size_t i = 0; i < kept; i++)
      buckets[places[i]] += (uint64_t)(((int64_t)high[i] << PART_BITS) + low[i]);
  }
}

static size_t gather(const ck_weighing *w, float scale, const float *x, size_t count,
                     size_t bucket, int32_t *indices, size_t room, float *lowest,
                     float *highest) {
  size_t found = 0;
  *lowest = __builtin_inff(), *highest = -__builtin_inff();
  EACH_STEP(count) {
    v16f logits = load_logits(x + at, n);
    if (!v_any_at_least(logits, v_set1(w->minimum))) continue;
    v16f place = v_from_int(bucket_of(w, scale, logits));
    v16f off = magnitude(v_sub(place, v_set1((float)bucket)));
    if (!v_any_at_least(v_zero(), off)) continue;
    float misses[STEP];
    v_store(misses, off);
    for (size_t i = 0; i < n; i++) {
      float logit = x[at + i];
      if (misses[i] != 0 || !(logit >= w->minimum && logit <= w->maximum)) continue;
      if (found < room) indices[found] = (int32_t)(at + i);
      *lowest = logit < *lowest ? logit : *lowest;
      *highest = logit > *highest ? logit : *highest;
      found++;
    }
  }
  return found;
}

static void copy_logits(const float *x, size_t count, float *out, float *lowest, float *highest) {
  const v16f none = v_set1(-__builtin_inff()), infinite = v_set1(__builtin_inff());
  const v16f largest = v_set1(__FLT_MAX__);
  v16f low = infinite, high = none;
  EACH_STEP(count) {
    v16f logits = load_logits(x + at, n);
    v16f clean = v_select_less(logits, infinite, logits, none);
    clean = v_select_less(largest, logits, largest, clean);
    store_step(out + at, clean, n);
    high = v_max(clean, high);
    low = v_min(v_select_less(none, clean, clean, infinite), low);
  }
  *highest = v_fold_max(high);
  *lowest = -v_fold_max(v_sub(v_zero(), low));
}

static size_t first_at_least(const float *x, size_t count, float limit) {
  EACH_STEP(count) {
    if (!v_any_at_least(load_logits(x + at, n), v_set1(limit))) continue;
    for (size_t i = 0; i < n; i++)
      if (x[at + i] >= limit) return at + i;
  }
  return count;
}
