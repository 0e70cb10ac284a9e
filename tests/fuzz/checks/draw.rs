//! Choices drawn from the fuzzer's bytes. At their end every choice is the first.

pub struct Draw<'d>(&'d [u8]);

impl<'d> Draw<'d> {
    pub fn new(bytes: &'d [u8]) -> Draw<'d> {
        Draw(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Up to a byte's count of bytes.
    pub fn some(&mut self) -> &'d [u8] {
        let count = usize::from(self.byte()).min(self.0.len());
        let (some, rest) = self.0.split_at(count);
        self.0 = rest;
        some
    }

    /// A place in something of this length, its end included.
    pub fn place(&mut self, length: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % (length + 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn rest(self) -> &'d [u8] {
        self.0
    }
}
