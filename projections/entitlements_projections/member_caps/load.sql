-- load --
-- The caps of the pools that a batch touches, as they are before it.
select * from member_caps where pool_id = any(%s::text[]);
