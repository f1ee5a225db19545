//! Lists in memory that is allocated before anything runs and never freed.
//!
//! With nothing to drop and nothing to reallocate they cost a third of what `Vec` would.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// Allocates `count` copies of `filler`, for ever.
pub fn array<'a, T: Copy + 'a>(filler: T, count: usize) -> &'a mut [T] {
    let mut items = Vec::with_capacity(count);
    // With this condition the compiler leaves out the code that would let the vector grow.
    while items.len() < items.capacity() {
        items.push(filler);
    }
    items.leak()
}

/// Items in such memory; the first `len` places of it are used.
#[derive(Debug)]
pub struct List<'a, T> {
    storage: &'a mut [T],
    len: usize,
}

impl<'a, T: Copy> List<'a, T> {
    /// A list with no room.
    pub fn none() -> List<'a, T> {
        List {
            storage: &mut [],
            len: 0,
        }
    }

    /// A list that is full.
    pub fn of(storage: &'a mut [T]) -> List<'a, T> {
        List {
            len: storage.len(),
            storage,
        }
    }

    /// An empty list with room for `count` items. `filler` fills the unused places.
    pub fn with_capacity(filler: T, count: usize) -> List<'a, T> {
        List {
            storage: array(filler, count),
            len: 0,
        }
    }

    /// Adds an item. False if there is no room.
    pub fn push(&mut self, item: T) -> bool {
        let Some(free) = self.storage.get_mut(self.len) else {
            return false;
        };
        *free = item;
        self.len += 1;
        true
    }

    /// Adds an item; if there is no room for it, all items move to where there is.
    #[inline(never)]
    pub fn add(&mut self, item: T) {
        if self.len == self.storage.len() {
            // At least twice as much; no list is so long that the shift overflows.
            let larger = array(item, (self.len | 4) << 1);
            if let Some(front) = larger.get_mut(..self.storage.len()) {
                front.copy_from_slice(self.storage);
            }
            self.storage = larger;
        }
        self.push(item);
    }

    /// Adds an item in front of the one at `place`. False if there is no room.
    pub fn insert(&mut self, place: usize, item: T) -> bool {
        if self.len >= self.storage.len() || place > self.len {
            return false;
        }
        self.storage.copy_within(place..self.len, place + 1);
        self.storage[place] = item;
        self.len += 1;
        true
    }

    /// Removes the items that `keeps` is false for.
    pub fn retain(&mut self, keeps: impl Fn(T) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            let item = self.storage[at];
            self.storage[kept] = item;
            kept += usize::from(keeps(item));
        }
        self.len = kept;
    }

    /// Takes all items out together with their storage, and leaves the list without any.
    #[inline(never)]
    pub fn take(&mut self) -> &'a mut [T] {
        let storage = core::mem::take(&mut self.storage);
        let len = core::mem::take(&mut self.len);
        storage.get_mut(..len).unwrap_or_default()
    }

    /// Removes all items.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl<T> Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.storage[..self.len]
    }
}

impl<T> DerefMut for List<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order_and_capacity() {
        let mut list = List::with_capacity(0, 3);
        assert!(list.push(1) && list.push(3) && list.insert(1, 2));
        assert!(!list.push(4) && !list.insert(0, 0));
        assert_eq!(*list, [1, 2, 3]);
        list.retain(|item| item != 1);
        assert_eq!(*list, [2, 3]);
        assert!(!list.insert(3, 9) && list.insert(2, 4));
        assert_eq!(*list, [2, 3, 4]);
        list.add(5);
        list.add(6);
        assert_eq!(*list, [2, 3, 4, 5, 6]);
        list.clear();
        assert!(list.is_empty());
    }
}
