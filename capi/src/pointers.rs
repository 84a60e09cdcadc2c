//! Pointers of the caller. They come through C functions only, where the published pages say what they must point to: null
//! and wrong alignment are found here, other lies are not.
#![allow(
    unsafe_code,
    reason = "what a C program hands over are pointers; each block says which rule of the published page it relies on"
)]

use jetfs::JetErr;

/// Where a value of type `T` goes. May be null where the call says so.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

/// Where a value of type `T` is.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct In<T>(*const T);

/// Plain numbers and structures of them: every pattern of bits is a value.
pub(crate) trait Plain: Copy {}

impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for usize {}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<T> {}

impl<T: Plain> Out<T> {
    /// Whether there is no place.
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// No place.
    pub(crate) fn nowhere() -> Self {
        Out(std::ptr::null_mut())
    }

    /// The same place, for values of another type.
    pub(crate) fn cast<U: Plain>(self) -> Out<U> {
        Out(self.0.cast())
    }

    /// The address, to see how it is aligned.
    pub(crate) fn address(self) -> usize {
        self.0.addr()
    }

    /// A place that must be there.
    ///
    /// # Errors
    /// Null, or not aligned.
    pub(crate) fn check(self) -> Result<Self, JetErr> {
        match !self.0.is_null() && self.0.is_aligned() {
            true => Ok(self),
            false => Err(JetErr::InvalidParameter),
        }
    }

    /// A place that may be missing.
    ///
    /// # Errors
    /// Not aligned.
    pub(crate) fn check_optional(self) -> Result<Self, JetErr> {
        match self.0.is_aligned() {
            true => Ok(self),
            false => Err(JetErr::InvalidParameter),
        }
    }

    /// Puts a value there, if there is a place.
    pub(crate) fn put(self, value: T) {
        if !self.0.is_null() && self.0.is_aligned() {
            // SAFETY: the published pages say that a pointer for an answer is null or points to room for one; it is aligned.
            unsafe { self.0.write(value) }
        }
    }

    /// The value that is there.
    ///
    /// # Errors
    /// Null, or not aligned.
    pub(crate) fn get(self) -> Result<T, JetErr> {
        In(self.0.cast_const()).get()
    }

    /// Room for `count` values, for the time of the call.
    ///
    /// # Errors
    /// Null although it is not empty, or not aligned.
    pub(crate) fn slice<'call>(self, count: usize) -> Result<&'call mut [T], JetErr> {
        if count == 0 {
            return Ok(&mut []);
        }
        self.check()?;
        // SAFETY: the published pages say that a buffer has the size that is handed over with it and is the call's alone while it
        // lasts; it is aligned, and all bit patterns are values.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0, count) })
    }
}

impl<T: Plain> In<T> {
    /// Whether there is no value.
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The value.
    ///
    /// # Errors
    /// Null, or not aligned.
    pub(crate) fn get(self) -> Result<T, JetErr> {
        if self.0.is_null() || !self.0.is_aligned() {
            return Err(JetErr::InvalidParameter);
        }
        // SAFETY: the published pages say that such a pointer points to a value; it is aligned.
        Ok(unsafe { self.0.read() })
    }

    /// `count` values; none of a null pointer.
    ///
    /// # Errors
    /// Not aligned.
    pub(crate) fn slice<'call>(self, count: usize) -> Result<&'call [T], JetErr> {
        if self.0.is_null() || count == 0 {
            return Ok(&[]);
        }
        if !self.0.is_aligned() {
            return Err(JetErr::InvalidParameter);
        }
        // SAFETY: the published pages say that a buffer has the size that is handed over with it; it is aligned.
        Ok(unsafe { std::slice::from_raw_parts(self.0, count) })
    }
}

impl<T: Plain + PartialEq + Default> In<T> {
    /// The values before the first that is zero.
    ///
    /// # Errors
    /// Null, or not aligned.
    pub(crate) fn terminated(self) -> Result<Vec<T>, JetErr> {
        if self.0.is_null() || !self.0.is_aligned() {
            return Err(JetErr::InvalidParameter);
        }
        let mut values = Vec::new();
        loop {
            // SAFETY: the published pages say that a name ends with a zero; this goes no further.
            let value = unsafe { self.0.add(values.len()).read() };
            if value == T::default() {
                return Ok(values);
            }
            values.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_wrong_alignment_are_invalid_parameters() {
        let numbers = [1_u32, 2];
        let odd = numbers.as_ptr().cast::<u8>().wrapping_add(1).cast::<u32>();
        assert_eq!(In(odd).get(), Err(JetErr::InvalidParameter));
        assert_eq!(In::<u32>(std::ptr::null()).get(), Err(JetErr::InvalidParameter));
        assert!(Out(odd.cast_mut()).check_optional().is_err());
        assert!(Out::<u32>(std::ptr::null_mut()).check().is_err());
        assert!(Out::<u32>(std::ptr::null_mut()).check_optional().is_ok());
        assert_eq!(In(numbers.as_ptr()).slice(2), Ok(&numbers[..]));
    }
}
